"""The machine that training runs on: device, number format, memory."""
