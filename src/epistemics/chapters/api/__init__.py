"""The public interface, printed."""
