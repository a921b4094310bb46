class ShareSampler:

    def __init__(self, rows, shares, batch_size, seed):
        self.rows, self.batch_size, self.seed = (rows, batch_size, seed)
        self.shares = [exact(share) for share in shares]
        self.drawn = 0
        self._orders: None = {}

    def take(self, batches):
        taken = np.empty((batches, self.batch_size), dtype=np.int64)
        for index in range(batches):
            before, after = (self._asked(self.drawn), self._asked(self.drawn + 1))
            parts = [self._part(*ends) for ends in zip(range(len(self.rows)), before, after, strict=True)]
            taken[index] = np.concatenate(parts)
            self.drawn += 1
        return taken

    def _asked(self, batches):
        asked = [int(batches * self.batch_size * share) for share in self.shares]
        greatest = self.shares.index(max(self.shares))
        asked[greatest] += batches * self.batch_size - sum(asked)
        return asked

    def _part(self, operation, start, stop):
        length = len(self.rows[operation])
        parts = [np.empty(0, np.int64)]
        while start < stop:
            epoch, first = divmod(start, length)
            last = min(length, first + stop - start)
            parts.append(self._epoch(operation, epoch)[first:last])
            start += last - first
        return np.concatenate(parts)

    def _epoch(self, operation, epoch):
        if self._orders.get(operation, (-1,))[0] != epoch:
            order = np.random.default_rng([self.seed, 6, operation, epoch]).permutation(self.rows[operation])
            self._orders[operation] = (epoch, order)
        return self._orders[operation][1]