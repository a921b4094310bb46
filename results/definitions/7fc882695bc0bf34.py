def _evaluate_all(columns, flat, questions, answers, masks, evaluation):
    _, members, count = masks.shape
    losses, correct = ([], [])
    for start in range(0, count, EVALUATION_ROWS):
        rows = torch.arange(start, start + EVALUATION_ROWS, device=questions.device) % count
        rows = rows.expand(members, -1)
        loss, right = evaluation(flat, questions[rows], answers[rows])
        losses.append(loss)
        correct.append(right)
    loss = torch.cat(losses, dim=1)[:, :count].double()
    right = torch.cat(correct, dim=1)[:, :count].double()
    averages = [(values * mask).sum(1) / mask.sum(1) for mask in masks for values in (loss, right)]
    columns.copy_(torch.stack(averages, dim=1))