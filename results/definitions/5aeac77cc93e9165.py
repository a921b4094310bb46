def product(a, b):
    if len(a) == 1 and a.shape[1] > 1 and (a.dtype == torch.float32) and (a.device.type == 'cpu'):
        own: None = onednn_product(a[0], b[0])
        return own[None]
    return matrix_product(a, b)