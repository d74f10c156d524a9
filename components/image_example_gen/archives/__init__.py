"""Archives of images beside single files: tars, as WebDataset writes them, and Parquet files."""
