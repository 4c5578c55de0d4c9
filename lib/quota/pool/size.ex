defmodule Quota.Pool.Size do
  @moduledoc false
  # How many bytes a pool may promise, and whether they are there.

  alias Bounded.Cgroup
  alias Quota.Text

  defstruct [:bytes, :limit, :source, :held, :in_use, :promised]

  @type option :: pos_integer | {:fraction, float}

  @doc """
  The size of a pool, or a sentence that says why it is not there.

  A fraction is of the memory this VM may use, less what the node holds already and what other pools promise.
  `resident` is what the node holds, `promised` the size of all other pools, in bytes.
  """
  @spec resolve(option, non_neg_integer, non_neg_integer, Cgroup.t()) ::
          {:ok, %__MODULE__{}} | {:error, String.t()}
  def resolve(option, promised, resident, group) do
    memory = Cgroup.memory(group)

    size = %__MODULE__{
      limit: memory.limit,
      source: memory.source,
      held: resident,
      # Others may live in the same group, or on the same machine.
      in_use: memory.usage && max(resident, memory.usage - memory.reclaimable),
      promised: promised
    }

    case option do
      {:fraction, _} when size.limit == nil ->
        {:error, "cannot see how much memory this node may use: give the size in bytes"}

      {:fraction, fraction} ->
        check(%{size | bytes: trunc(fraction * size.limit) - resident - promised}, option)

      bytes ->
        check(%{size | bytes: bytes}, option)
    end
  end

  defp check(%{limit: nil} = size, _option), do: {:ok, size}

  defp check(size, option) do
    there = size.limit - size.in_use - size.promised

    if size.bytes >= Quota.Options.smallest() and size.bytes <= there,
      do: {:ok, size},
      else: {:error, refusal(size, there, option)}
  end

  defp refusal(size, there, option) do
    "the size is not there: #{wanted(option, size)}, of #{Text.bytes(size.limit)} " <>
      "(#{whose(size.source)}) #{Text.bytes(size.in_use)} are in use" <>
      if(size.promised > 0, do: ", #{Text.bytes(size.promised)} promised by other pools", else: "") <>
      ", so #{Text.bytes(max(there, 0))} can be promised. Ask for less, or give the container more"
  end

  defp wanted({:fraction, fraction}, size) do
    left = if size.bytes > 0, do: Text.bytes(size.bytes), else: "nothing"
    "#{fraction} less the #{Text.bytes(size.held)} that the node holds leaves #{left}"
  end

  defp wanted(bytes, _size), do: "#{Text.bytes(bytes)} asked for"

  @doc "What the log says once: how the size came about, and how to have the VM take the memory up front."
  def note(name, size, percent) do
    # Megabytes; everything that the VM allocates for itself and the work must fit.
    super_carrier = div(size.bytes + size.held, 1024 * 1024) + 1

    "pool #{inspect(name)} promises #{Text.bytes(size.bytes)}" <>
      case size do
        %{limit: nil} -> "; how much memory this node may use cannot be seen"
        _ -> " of #{Text.bytes(size.limit)} (#{whose(size.source)})"
      end <>
      "; each limit reserves #{percent} % of itself, to allow for overshoot" <>
      ". To take the memory up front rather than when it is needed, start the VM with " <>
      "+MMscs #{super_carrier} +MMsco true"
  end

  defp whose(:machine), do: "the machine's memory"
  defp whose(_cgroup), do: "the limit of the control group"

  @doc "Bytes of memory that this VM holds."
  def resident(root \\ "/") do
    # Of its own, without the files it has mapped.
    case File.read(Path.join(root, "proc/self/status")) do
      {:ok, text} ->
        case Regex.run(~r/^RssAnon:\s+(\d+) kB/m, text) do
          [_, kib] -> String.to_integer(kib) * 1024
          nil -> :erlang.memory(:total)
        end

      {:error, _} ->
        :erlang.memory(:total)
    end
  end
end
