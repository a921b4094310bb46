def without_directions(states, operations, answers, present, arch, count, random=None):
    fixed = states.detach()
    numbered = torch.arange(arch.answers, device=answers.device)
    result = states
    for operation in range(arch.operations):
        own = (operations == operation).to(states.dtype) * present
        member_of = (answers[..., None] == numbered).to(states.dtype) * own[..., None]
        counts = member_of.sum(1)[..., None]
        sums = member_of.transpose(1, 2) @ fixed
        mean = sums.sum(1, keepdim=True) / counts.sum(1, keepdim=True).clamp(min=1)
        if random is None:
            contrasts = torch.where(counts > 0, sums / counts.clamp(min=1) - mean, torch.zeros_like(sums))
            contrasts = torch.where(contrasts.isfinite(), contrasts, torch.zeros_like(contrasts))
            _, vectors = torch.linalg.eigh(contrasts.transpose(1, 2) @ contrasts)
            directions = vectors[..., -count:].detach()
        else:
            directions = random[:, operation]
        cut = states - (states - mean) @ directions @ directions.transpose(1, 2)
        result = torch.where((operations == operation)[..., None], cut, result)
    return result