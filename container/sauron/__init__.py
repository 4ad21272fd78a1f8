"""The server process and the command line of Sauron. Nothing here is deployed to Lambda."""
