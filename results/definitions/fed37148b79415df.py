def normalise(x, gain, bias):
    spread = [gain.shape[0]] + [1] * (x.dim() - 2) + [gain.shape[1]]
    return F.layer_norm(x, (x.shape[-1],)) * gain.view(spread) + bias.view(spread)