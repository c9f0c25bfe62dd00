/** Work of one kind: so many jobs at once, in order, and a bounded number that wait. */
export class Lane {
  private readonly queue: (() => Promise<void>)[] = [];
  private waiting: (() => void)[] = [];
  private running = 0;
  private error: unknown;

  constructor(
    private readonly width: number,
    private readonly depth: number,
  ) {}

  /** Resolves when there is room for more. @throws what a job threw, an earlier one too. */
  async add(job: () => Promise<void>): Promise<void> {
    this.queue.push(job);
    this.pump();
    await this.until(() => this.queue.length <= this.depth);
  }

  /** Everything ended. @throws what a job threw */
  idle(): Promise<void> {
    return this.until(() => this.running === 0 && this.queue.length === 0);
  }

  private async until(reached: () => boolean): Promise<void> {
    while (!reached()) await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (this.error !== undefined) throw this.error;
  }

  private pump(): void {
    while (this.running < this.width && this.queue.length > 0) void this.run(this.queue.shift()!);
  }

  private async run(job: () => Promise<void>): Promise<void> {
    this.running += 1;
    try {
      await job();
    } catch (error) {
      this.error ??= error;
    }
    this.running -= 1;
    this.pump();
    const waiting = this.waiting;
    this.waiting = [];
    for (const go of waiting) go();
  }
}
