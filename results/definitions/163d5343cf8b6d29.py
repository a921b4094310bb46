def evaluate_rows(flat, questions, answers, network, precision):
    logits = network.read_out(flat, network.final_state(flat, questions, precision), precision)
    return (cross_entropy(logits, answers), (logits.argmax(-1) == answers).to(torch.float32))