"""The commands of `iadb`, one file each."""
