"""The pages as a person meets them: Debian's Chromium opens them from a server of this run."""
