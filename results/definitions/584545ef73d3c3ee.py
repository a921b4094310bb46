def normalise(x):
    centred = x - x.mean(-1, keepdim=True)
    scale = (centred.square().mean(-1, keepdim=True) + NORM_EPSILON).rsqrt()
    h = centred * scale

    def back(dh):
        dh = dh.to(h.dtype)
        return (dh - dh.mean(-1, keepdim=True) - h * (dh * h).mean(-1, keepdim=True)) * scale
    return (h, back)