"""Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2) over a packed batch.

Every token attends to the tokens of its own sequence. How that is computed is a layout's business: one file each (see
``layout.AttentionLayout``), chosen once a forward pass by ``choosing.choose_layout``.
"""
