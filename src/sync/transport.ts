/** What happens to a channel. Each channel has one listener; frames arrive in order. */
export interface ChannelListener {
  frame(bytes: Uint8Array): void
  /** Called once; nothing comes after it. */
  closed(reason: string): void
}

/** An open connection that carries binary frames both ways. */
export interface Channel {
  /** Sets who listens; called once, in the turn in which the channel was handed over. */
  listen(listener: ChannelListener): void
  /** Sends a frame; after the channel closed it does nothing. */
  send(frame: Uint8Array): void
  /** Bytes that wait to go out. */
  readonly bufferedBytes: number
  /** Closes it, telling the other side why. */
  close(reason: string): void
}

/** The port to the network: opens channels to other nodes. Accepted ones are handed to `Sync.accept`. */
export interface Transport {
  /** Opens a channel to the node at `url`; rejects if nobody answers. */
  dial(url: string): Promise<Channel>
}
