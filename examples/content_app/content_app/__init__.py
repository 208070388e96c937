"""A content-generation site: users own projects, projects grow articles."""
