"""What a running training tells: its callbacks, trackers such as TensorBoard, and its log file."""
