defmodule Bounded.Cgroup do
  @moduledoc false
  # The memory that the VM may use and uses, as its control group (v1 or v2) reports it, or else the machine. Reads files only and
  # never raises: a figure that cannot be read is nil.
  #
  #     Cgroup.find()            where the group is; keep it, it does not change while the VM runs
  #     |> Cgroup.memory()       its limit and usage at this moment
  #
  # Paths are read below `root`: see `Bounded.KernelFile`.

  import Bounded.KernelFile, only: [read: 2, integer: 1, figure: 2, bytes: 2]

  defstruct root: "/", version: nil, directories: []

  @type t :: %__MODULE__{
          root: Bounded.KernelFile.root(),
          version: 1 | 2 | nil,
          directories: [Path.t()]
        }

  @typedoc """
  Bytes, or nil where nothing can be seen. `source` says whose `limit`, `usage` and `reclaimable` are:
  the group with the smallest limit up the hierarchy, or the machine's when no group has a limit smaller than that.
  `reclaimable` is the part of `usage` that the kernel gives up before it kills anyone: file cache.
  """
  @type memory :: %{
          source: :cgroup_v1 | :cgroup_v2 | :machine | nil,
          directory: Path.t() | nil,
          limit: non_neg_integer | nil,
          usage: non_neg_integer | nil,
          reclaimable: non_neg_integer | nil,
          physical: pos_integer | nil,
          available: non_neg_integer | nil,
          swap: non_neg_integer | nil
        }

  # v1 says "no limit" with the largest multiple of the page size below 2^63.
  @v1_unlimited 0x7FFF_0000_0000_0000

  @doc "The control group for memory that this VM runs in. `version: nil` when there is none to be seen."
  @spec find(Bounded.KernelFile.root()) :: t
  def find(root \\ "/") do
    mounts = root |> read("proc/self/mountinfo") |> lines() |> Enum.flat_map(&mount/1)
    groups = root |> read("proc/self/cgroup") |> lines() |> Enum.flat_map(&membership/1)

    # On a hybrid system memory may be governed by v1 while a v2 tree exists beside it.
    Enum.find_value([1, 2], %__MODULE__{root: root}, fn version ->
      with {^version, mounted_from, mount_point} <- List.keyfind(mounts, version, 0),
           {^version, path} <- List.keyfind(groups, version, 0),
           directories = directories(mount_point, within(path, mounted_from)),
           [_ | _] = readable <- Enum.filter(directories, &governed?(root, &1, version)) do
        %__MODULE__{root: root, version: version, directories: readable}
      else
        _ -> nil
      end
    end)
  end

  @doc "Limit and usage of the group that will run out first, else of the machine."
  @spec memory(t) :: memory
  def memory(%__MODULE__{} = group) do
    machine = machine(group.root)

    # Of equal limits the one furthest up: that is the group whose usage is held to it.
    group.directories
    |> Enum.reverse()
    |> Enum.map(&{limit(group, &1), &1})
    |> Enum.filter(fn {limit, _directory} -> limit != nil and below?(limit, machine.physical) end)
    |> Enum.min_by(&elem(&1, 0), fn -> nil end)
    |> case do
      nil ->
        machine

      {limit, directory} ->
        %{
          machine
          | source: if(group.version == 1, do: :cgroup_v1, else: :cgroup_v2),
            directory: directory,
            limit: limit,
            usage: usage(group, directory),
            reclaimable: reclaimable(group, directory)
        }
    end
  end

  @doc """
  How often the kernel had to act for want of memory in this group and those below it: `:high` (throttled), `:max` (at
  the limit), `:oom`, `:oom_kill`. Counts since the group was made; an empty map when there is nothing to be seen.
  """
  @spec events(t) :: %{optional(atom) => non_neg_integer}
  def events(%__MODULE__{version: 2, directories: [own | _]} = group) do
    text = file(group, own, "memory.events")
    for key <- ~w(high max oom oom_kill)a, n = figure(text, "#{key} "), into: %{}, do: {key, n}
  end

  def events(%__MODULE__{version: 1, directories: [own | _]} = group) do
    kills = group |> file(own, "memory.oom_control") |> figure("oom_kill ")
    failures = group |> file(own, "memory.failcnt") |> integer()
    for {key, n} <- [max: failures, oom_kill: kills], n != nil, into: %{}, do: {key, n}
  end

  def events(%__MODULE__{}), do: %{}

  @doc """
  Share of the last ten seconds, in percent, in which some or all work waited for memory: pressure stall
  information of the group, which only v2 has, or of the machine when `memory` is the machine's. Else nil.
  """
  @spec pressure(t, memory) :: %{some: float, full: float} | nil
  def pressure(%__MODULE__{version: 2, directories: [own | _]} = group, _memory) do
    group |> file(own, "memory.pressure") |> stalls()
  end

  # The machine's figure includes everybody else's waiting: it says little inside a limit.
  def pressure(%__MODULE__{root: root}, %{source: :machine}) do
    root |> read("proc/pressure/memory") |> stalls()
  end

  def pressure(%__MODULE__{}, _memory), do: nil

  defp machine(root) do
    text = read(root, "proc/meminfo")
    physical = bytes(text, "MemTotal")
    available = bytes(text, "MemAvailable") || bytes(text, "MemFree")

    %{
      source: physical && :machine,
      directory: nil,
      limit: physical,
      usage: physical && available && physical - available,
      reclaimable: physical && 0,
      physical: physical,
      available: available,
      swap: bytes(text, "SwapTotal")
    }
  end

  @doc "`memory.high` of the group, from which on the kernel throttles its processes: bytes, or nil for none. Version 2 only."
  @spec high(t) :: non_neg_integer | nil
  def high(%__MODULE__{version: 2, directories: directories} = group) do
    directories
    |> Enum.map(&(group |> file(&1, "memory.high") |> integer()))
    |> Enum.reject(&is_nil/1)
    |> Enum.min(fn -> nil end)
  end

  def high(%__MODULE__{}), do: nil

  defp below?(_limit, nil), do: true
  defp below?(limit, physical), do: limit < physical

  defp limit(%{version: 2} = group, directory) do
    # "max" is no number, and means none.
    group |> file(directory, "memory.max") |> integer()
  end

  defp limit(%{version: 1} = group, directory) do
    own = group |> file(directory, "memory.limit_in_bytes") |> integer()

    # What groups further up allow, which a container does not get to see.
    inherited =
      if directory == List.last(group.directories),
        do: group |> file(directory, "memory.stat") |> figure("hierarchical_memory_limit ")

    [own, inherited]
    |> Enum.reject(&(&1 == nil or &1 >= @v1_unlimited))
    |> Enum.min(fn -> nil end)
  end

  defp usage(%{version: 2} = group, directory),
    do: group |> file(directory, "memory.current") |> integer()

  defp usage(%{version: 1} = group, directory),
    do: group |> file(directory, "memory.usage_in_bytes") |> integer()

  defp reclaimable(group, directory) do
    text = file(group, directory, "memory.stat")

    keys =
      if group.version == 1,
        do: ["total_inactive_file ", "total_active_file "],
        else: ["inactive_file ", "active_file ", "slab_reclaimable "]

    Enum.reduce(keys, 0, fn key, sum -> sum + (figure(text, key) || 0) end)
  end

  # A limit file is what tells a directory of the hierarchy from its root, which has none in v2.
  defp governed?(root, directory, 2),
    do: read(root, Path.join(directory, "memory.max")) != ""

  defp governed?(root, directory, 1),
    do: read(root, Path.join(directory, "memory.limit_in_bytes")) != ""

  # "4:memory:/docker/abc" or, of v2, "0::/docker/abc"
  defp membership(line) do
    case String.split(line, ":", parts: 3) do
      ["0", "", path] -> [{2, path}]
      [_id, controllers, path] -> if memory?(controllers), do: [{1, path}], else: []
      _ -> []
    end
  end

  # "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory": what is mounted
  # from where, any number of optional fields before the dash, then type, device and options.
  defp mount(line) do
    with [before, rest] <- String.split(line, " - ", parts: 2),
         [_id, _parent, _device, mounted_from, mount_point | _] <- String.split(before, " "),
         [type, _device, options] <- String.split(rest, " ", parts: 3) do
      cond do
        type == "cgroup2" ->
          [{2, unescape(mounted_from), unescape(mount_point)}]

        type == "cgroup" and memory?(options) ->
          [{1, unescape(mounted_from), unescape(mount_point)}]

        true ->
          []
      end
    else
      _ -> []
    end
  end

  defp memory?(list), do: "memory" in String.split(list, ",")

  # The group's path as seen from the mount point. Without a cgroup namespace a container is shown the path on the
  # host, of which only the last part is mounted; from outside a namespace it may even begin with "..".
  defp within(path, "/"), do: if(String.starts_with?(path, "/.."), do: "", else: path)

  defp within(path, mounted_from) do
    cond do
      path == mounted_from ->
        ""

      String.starts_with?(path, mounted_from <> "/") ->
        String.replace_prefix(path, mounted_from, "")

      true ->
        ""
    end
  end

  # From the group's own directory up to the mount point.
  defp directories(mount_point, path) do
    path
    |> String.split("/", trim: true)
    |> Enum.scan(mount_point, fn name, directory -> Path.join(directory, name) end)
    |> then(&[mount_point | &1])
    |> Enum.reverse()
  end

  # The kernel writes blanks in paths as octal.
  defp unescape(path) do
    Regex.replace(~r/\\([0-7]{3})/, path, fn _, octal -> <<String.to_integer(octal, 8)>> end)
  end

  # "some avg10=0.00 avg60=0.00 avg300=0.00 total=0"
  defp stalls(text) do
    averages =
      for [_, kind, percent] <- Regex.scan(~r/^(some|full) avg10=(\d+\.\d+)/m, text), into: %{} do
        {kind, String.to_float(percent)}
      end

    case averages do
      # Kernels before 5.13 tell no "full" for some resources.
      %{"some" => some} -> %{some: some, full: Map.get(averages, "full", 0.0)}
      _ -> nil
    end
  end

  defp lines(text), do: String.split(text, "\n", trim: true)

  defp file(group, directory, name), do: read(group.root, Path.join(directory, name))
end
