"""Where source images are beyond local folders: S3 by boto3, other URIs by TFX."""
