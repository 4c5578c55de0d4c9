defmodule Bounded.Test.FakeGroup do
  @moduledoc false
  # A recorded machine with one control group of version 2, whose usage a test writes.

  import Bounded.Eventually
  import ExUnit.Assertions
  import ExUnit.Callbacks

  alias Bounded.Test.Telemetry
  alias Quota.Watchdog

  @doc "Makes one with `limit` bytes; returns the folder below which its files are read."
  def create(limit) do
    root = Path.join(System.tmp_dir!(), "bounded_group_#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm_rf!(root) end)
    put(root, "proc/self/cgroup", "0::/\n")
    put(root, "proc/self/mountinfo", "1 2 0:27 / /cg rw - cgroup2 cgroup rw\n")
    put(root, "proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 7000000 kB\n")
    put(root, "cg/memory.max", "#{limit}\n")
    put(root, "cg/memory.stat", "anon 0\n")
    put(root, "cg/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n")
    use_bytes(root, 0)
    root
  end

  @doc "Writes the bytes in use. In place: the file may be open."
  def use_bytes(root, bytes),
    do: put(root, "cg/memory.current", String.pad_trailing("#{bytes}", 20) <> "\n")

  @doc """
  Starts a watchdog with `options`, which sees that the group is calm with `calm` bytes in use, and then that there are `raised`. What has
  grown since, and nothing that there was before, is what grew.
  """
  def watch(root, calm, raised, options \\ []) do
    use_bytes(root, calm)
    start_supervised!({Watchdog, Keyword.merge([root: root, mode: :enforce], options)})
    eventually(fn -> assert is_list(Watchdog.status().grew) end)
    use_bytes(root, raised)
    eventually(fn -> assert Watchdog.status().used == raised end)
    # A pass that began while the node was calm ends meanwhile.
    Process.sleep(200)
  end

  @doc "A set-up: a group of `limit` bytes with a watchdog, whose events are sent to the test. See `watch/4`."
  def watched(limit, calm, raised) do
    Telemetry.forward(self())
    root = create(limit)
    watch(root, calm, raised)
    {:ok, root: root}
  end

  def put(root, path, text) do
    path = Path.join(root, path)
    File.mkdir_p!(Path.dirname(path))
    {:ok, file} = :file.open(path, [:read, :write, :raw])
    :ok = :file.pwrite(file, 0, text)
    {:ok, _} = :file.position(file, byte_size(text))
    :ok = :file.truncate(file)
    :ok = :file.close(file)
  end
end
