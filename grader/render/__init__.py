"""Grades as words, tables and files.  Pure: text in, text out."""
