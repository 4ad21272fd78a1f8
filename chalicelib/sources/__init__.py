"""Where settings come from: `.env` and files of secrets, what they are worth, and what of them is not used."""
