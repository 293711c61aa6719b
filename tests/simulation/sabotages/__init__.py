"""What `sabotage` is made of: `switches` take one guard out of the real code, `tilts` make worlds that need it."""
