def attend(query, key, value, heads):
    members, _, batch, d = query.shape
    root, precise = (1 / math.sqrt(d // heads), torch.promote_types(query.dtype, torch.float32))

    def by_head(x, place):
        return x.view(members, -1, batch, heads, d // heads).unsqueeze(place).to(precise)

    def merged(x):
        return x.flatten(-2).to(query.dtype)
    q, k, v = (by_head(query, 2), by_head(key, 1), by_head(value, 1))
    a = (q * k).sum(-1, keepdim=True).mul(root).softmax(2)

    def back(dy):
        dmixed = by_head(dy, 2)
        da = (dmixed * v).sum(-1, keepdim=True)
        ds = a * (da - (a * da).sum(2, keepdim=True)) * root
        return (merged((ds * k).sum(2)), merged((ds * q).sum(1)), merged((a * dmixed).sum(1)))
    return (merged((a * v).sum(2)), back)