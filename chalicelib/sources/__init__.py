"""Where settings come from: `.env` and files of secrets; what of them is not used."""
