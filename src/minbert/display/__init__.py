"""What a person at the terminal sees: progress, lines and tables. Whatever it shows, it shows as it is written."""
