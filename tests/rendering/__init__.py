"""What people see: cards by Microsoft's renderer and mails, in Chromium, on phone and desktop."""
