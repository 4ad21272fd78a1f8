"""The assistant's door: the tools that `/mcp` offers, what each does, and the protocol around them."""
