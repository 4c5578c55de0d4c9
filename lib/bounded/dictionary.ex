defmodule Bounded.Dictionary do
  @moduledoc false
  # Reads one value of another process's dictionary. The whole dictionary would be copied with everything that the process keeps
  # there, and a term that is referenced twice would be copied twice.

  alias Bounded.Vm

  # Before OTP 27, of a process of at most this many bytes.
  @most_bytes 4 * 1024 * 1024

  @doc """
  The value of `key` in the dictionary of `pid`, or nil where it has none or is dead.

  OTP 26.2 and later copy that value alone. Earlier releases can only be asked for the whole dictionary.
  """
  # The spec of OTP 25 does not have this item.
  @dialyzer {:nowarn_function, get: 2}
  def get(pid, key) do
    case :erlang.process_info(pid, {:dictionary, key}) do
      {_, :undefined} -> nil
      {_, value} -> value
      :undefined -> nil
    end
  rescue
    ArgumentError -> whole(pid)[key]
  end

  @doc "The same, of a process of `bytes`: nil too where a copy of the whole dictionary might be large."
  def get(pid, key, bytes), do: if(readable?(bytes), do: get(pid, key))

  @doc "Whether `get/3` reads the dictionary of a process of `bytes`."
  def readable?(bytes), do: Vm.release() >= 27 or bytes <= @most_bytes

  defp whole(pid) do
    case Process.info(pid, :dictionary) do
      {:dictionary, dictionary} -> dictionary
      nil -> []
    end
  end
end
