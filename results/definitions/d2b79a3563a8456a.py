def attend(query, key, value, heads):
    members, batch, _, d = query.shape
    split = (heads, d // heads)
    q = query.reshape(members, batch, -1, 1, *split) * (1 / math.sqrt(split[1]))
    k = key.reshape(members, batch, 1, -1, *split)
    v = value.reshape(members, batch, 1, -1, *split)
    scores = (q * k).sum(-1, dtype=torch.promote_types(q.dtype, torch.float32))
    weights = scores.softmax(dim=3)[..., None]
    return (weights * v).sum(3).to(query.dtype).reshape(members, batch, -1, d)