"""Photos in any folder form become one versioned dataset artifact."""
