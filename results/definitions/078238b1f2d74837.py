class EpochSampler:

    def __init__(self, rows, batch_size, seed):
        if len(rows) < batch_size:
            raise ValueError(f'batch_size is {batch_size}, but there are only {len(rows)} training rows')
        self.rows, self.batch_size, self.seed = (rows, batch_size, seed)
        self.per_epoch = len(rows) // batch_size
        self.drawn = 0
        self._order: None = (-1, rows)

    def take(self, batches):
        taken = np.empty((batches, self.batch_size), dtype=np.int64)
        for index in range(batches):
            epoch, batch = divmod(self.drawn, self.per_epoch)
            taken[index] = self._epoch(epoch)[batch * self.batch_size:(batch + 1) * self.batch_size]
            self.drawn += 1
        return taken

    def _epoch(self, epoch):
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, 2, epoch]).permutation(self.rows))
        return self._order[1]