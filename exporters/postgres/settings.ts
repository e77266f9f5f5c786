/**
 * The embedded server's settings, given on its command line at each start: nobody has to edit a file, and a new
 * version of Douane brings its own. Durability is PostgreSQL's default (fsync, full pages, synchronous commit), which
 * nothing here touches.
 */
const settings: Record<string, string> = {
  // Reached by its socket only, in a folder that nobody else can enter.
  listen_addresses: '',
  unix_socket_directories: '.',
  unix_socket_permissions: '0700',
  port: '5432',

  // A small guest on somebody's machine.
  max_connections: '60',
  shared_buffers: '128MB',
  work_mem: '8MB',
  maintenance_work_mem: '64MB',
  max_wal_size: '1GB',
  min_wal_size: '80MB',
  checkpoint_timeout: '15min',
  // Changes are written while rows come, by a process of its own: whoever commits then has little left to wait for.
  wal_buffers: '32MB',
  wal_writer_delay: '10ms',
  io_method: 'sync',
  max_worker_processes: '4',
  max_parallel_workers_per_gather: '1',
  autovacuum_max_workers: '2',
  max_logical_replication_workers: '0',
  max_wal_senders: '2',
  jit: 'off',
  // One lock for each partition (and its indexes) that a statement names.
  max_locks_per_transaction: '1024',

  // Its log shows neither statements nor values: `log` leaves out errors, which quote what they complain about.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
  log_statement: 'none',
  log_timezone: 'UTC',
  timezone: 'UTC',
}

export const socketPort = 5432

export const serverArguments: readonly string[] = Object.entries(settings).flatMap(([name, value]) => [
  '-c',
  `${name}=${value}`,
])
