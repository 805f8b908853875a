"""Serve an exported network over HTTP: uploads and their limits, answers, and the processes."""
