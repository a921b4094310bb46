@torch.library.custom_op('epistemics::onednn_product', mutates_args=())
def onednn_product(a, b):
    if not hasattr(torch.ops.mkldnn, '_linear_pointwise'):
        return torch.mm(a, b)
    a, b = (x if x.is_contiguous() or x.t().is_contiguous() else x.contiguous() for x in (a, b))
    y: None = torch.ops.mkldnn._linear_pointwise(a, b.t(), None, 'none', [], '')
    return y