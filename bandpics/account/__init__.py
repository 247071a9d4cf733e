"""The pages of accounts: sign up, sign in, and what people change about their own account."""
