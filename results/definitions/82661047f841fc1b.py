def evaluate_rows(flat, questions, answers, arch, precision):
    logits = read_out(arch, flat, final_state(arch, flat, questions, precision), precision)
    return (cross_entropy(logits, answers), (logits.argmax(-1) == answers).to(torch.float32))