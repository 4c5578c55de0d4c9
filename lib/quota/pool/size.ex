defmodule Quota.Pool.Size do
  @moduledoc false
  # The size of a pool in bytes, checked against the memory that the node may use.

  alias Bounded.{Cgroup, Format, KernelFile}

  defstruct [:bytes, :limit, :source, :held, :in_use, :reserved]

  @type option :: pos_integer | {:fraction, float}

  @doc """
  Returns the size of a pool, or a sentence that says why the node does not have it.

  A fraction is taken of the memory that this VM may use, less `resident` and `reserved`: the bytes that the node holds already,
  and the size of all other pools in bytes.
  """
  @spec resolve(option, non_neg_integer, non_neg_integer, Cgroup.t()) ::
          {:ok, %__MODULE__{}} | {:error, String.t()}
  def resolve(option, reserved, resident, group) do
    memory = Cgroup.memory(group)

    size = %__MODULE__{
      limit: memory.limit,
      source: memory.source,
      held: resident,
      # Includes other processes of the same group or machine.
      in_use: memory.usage && max(resident, memory.usage - memory.reclaimable),
      reserved: reserved
    }

    case option do
      {:fraction, _} when size.limit == nil ->
        {:error, "the memory limit of this node cannot be read: give the size in bytes"}

      {:fraction, fraction} ->
        check(%{size | bytes: trunc(fraction * size.limit) - resident - reserved}, option)

      bytes ->
        check(%{size | bytes: bytes}, option)
    end
  end

  defp check(%{limit: nil} = size, _option), do: {:ok, size}

  defp check(size, option) do
    there = size.limit - size.in_use - size.reserved

    if size.bytes >= Quota.Options.smallest() and size.bytes <= there,
      do: {:ok, size},
      else: {:error, refusal(size, there, option)}
  end

  defp refusal(size, there, option) do
    "the node does not have its size: #{wanted(option, size)}. Of #{Format.bytes(size.limit)} " <>
      "(#{whose(size.source)}) #{Format.bytes(size.in_use)} are in use" <>
      if(size.reserved > 0,
        do: " and #{Format.bytes(size.reserved)} are reserved by other pools",
        else: ""
      ) <>
      ", so a pool can have #{Format.bytes(max(there, 0))}. " <> advice(size)
  end

  defp advice(size) do
    smallest = Quota.Options.smallest()

    if size.bytes < smallest,
      do: "Choose at least #{Format.bytes(smallest)}, the smallest limit that can run in it",
      else: "Choose a smaller size, or raise the limit of the container"
  end

  defp wanted({:fraction, fraction}, size) do
    left = if size.bytes > 0, do: Format.bytes(size.bytes), else: "nothing"

    "a fraction of #{fraction}, less the #{Format.bytes(size.held)} that the node holds, is #{left}"
  end

  defp wanted(bytes, _size), do: "#{Format.bytes(bytes)} were asked for"

  @doc "Returns the log line of a pool's start."
  def note(name, size, percent) do
    "pool #{inspect(name)} has #{Format.bytes(size.bytes)}" <>
      case size do
        %{limit: nil} -> "; the memory limit of this node cannot be read"
        _ -> " of #{Format.bytes(size.limit)} (#{whose(size.source)})"
      end <>
      "; each limit reserves #{percent} % of itself, to allow for overshoot"
  end

  defp whose(:machine), do: "the machine's memory"
  defp whose(_cgroup), do: "the limit of the control group"

  @doc "Returns the resident memory of this VM in bytes."
  def resident(root \\ "/"), do: KernelFile.resident(root) || :erlang.memory(:total)
end
