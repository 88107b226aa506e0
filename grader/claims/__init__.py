"""What a report says: its tables and pasted outputs read into claims.  Pure."""
