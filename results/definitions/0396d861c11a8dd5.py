def gelu(x):
    precise = x.to(torch.promote_types(x.dtype, torch.float32))
    cumulative, density = normal_distribution(precise)
    y, slope = torch.stack([v.to(x.dtype) for v in (precise * cumulative, cumulative + precise * density)])
    return (y, lambda dy: dy * slope)