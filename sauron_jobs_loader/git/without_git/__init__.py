"""The source of a bundle where there is no git binary, as on AWS Lambda."""
