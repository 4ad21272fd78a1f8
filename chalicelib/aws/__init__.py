"""Lambda's surroundings: SQS messages, EventBridge's events, parameters of SSM."""
