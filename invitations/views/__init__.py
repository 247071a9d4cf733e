"""The pages of teams, and of the links by which people join them."""
