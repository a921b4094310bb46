def cross_entropy(logits, answers):
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(logits.flatten(0, -2), answers.flatten(), reduction='none').view(answers.shape)