"""The sandbox: a small fictitious laboratory, sample ORU messages and demo users, to try the server with."""
