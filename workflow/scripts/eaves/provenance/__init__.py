"""What made each result: recorded, collected, verified and shown."""
