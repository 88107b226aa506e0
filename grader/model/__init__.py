"""Frozen records and enums that every layer shares."""
