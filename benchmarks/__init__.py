"""What the server does per second on PostgreSQL, beside what bare FastAPI and psycopg do in the same run."""
