"""Notifications: who is told, in which words, how often."""
