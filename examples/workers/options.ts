/** What all processes of the example agree on. Quick, so that there is something to see. */
export const options = {
  name: 'workers-example',
  slots: 256,
  heartbeatIntervalMs: 300,
  heartbeatTimeoutMs: 500,
  leaseMs: 1_500,
}
