def selection(arch, questions):
    members, counts = (len(questions), [arch.tokens[kind] for kind in arch.kinds])
    positions = len(counts)
    starts = torch.tensor([sum(counts[:place]) for place in range(positions)], device=questions.device)
    rows = F.pad(questions, (0, 1)) + starts
    rows = rows.transpose(1, 2) + sum(counts) * torch.arange(members, device=questions.device)[:, None, None]

    def to_places(inputs):
        return inputs.flatten(0, 1)[rows]

    def back_to_inputs(dy):
        absent = positions - dy.shape[1]
        found = [dy.new_zeros(members, count, dy.shape[-1]) for count in counts[:absent]]
        for place in range(absent, positions - 1):
            numbered = torch.arange(counts[place], device=questions.device)[:, None]
            one_hot = (questions[:, None, :, place] == numbered).to(dy.dtype)
            found.append(product(one_hot, dy[:, place - absent]))
        return torch.cat([*found, sum_of_rows(dy[:, -1])], 1)
    return (to_places, back_to_inputs)