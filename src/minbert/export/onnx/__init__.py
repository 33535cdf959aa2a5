"""ONNX: one graph with all heads after one encoder pass."""
